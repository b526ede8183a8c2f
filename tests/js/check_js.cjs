// The interface that React frontends and Socket.IO devices already use, line by line. Usage: node check_js.cjs PORT
const { io } = require('socket.io-client');
const port = Number(process.argv[2] || 5000);
const results = [];
const check = (name, ok, more = '') => { results.push(ok); console.log((ok ? 'ok   ' : 'FAIL ') + name, more); };
const once = (s, e, ms = 3000) => new Promise((res) => {
  const t = setTimeout(() => res(undefined), ms);
  s.once(e, (d) => { clearTimeout(t); res(d === undefined ? null : d); });
});
(async () => {
  const socket = io(`ws://127.0.0.1:${port}`, { query: { type: 'frontend' } });
  const esp = io(`ws://127.0.0.1:${port}`, { query: { type: 'esp32' }, forceNew: true });
  const stats = once(socket, 'client_stats');
  await Promise.all([once(socket, 'connect'), once(esp, 'connect')]);
  check('connect with ws:// and query', socket.connected && esp.connected, 'transport ' + socket.io.engine.transport.name);
  check('client_stats', !!(await stats), JSON.stringify(await stats));
  const live = once(socket, 'new_sensor_data'), ack = once(esp, 'data_received');
  esp.emit('esp32_sensor_data', { hr: 75.5, temp: 36.2, eda: 0.45, timestamp: '2024-12-10T10:30:00Z', device_id: 'ESP32_001' });
  const a = await ack, d = await live;
  check('data_received', a && a.status === 'success' && typeof a.record_id === 'number' && a.stress_prediction.label, JSON.stringify(a));
  check('new_sensor_data', d && d.id === a.record_id && d.confidence > 1 && d.device_id === 'ESP32_001', JSON.stringify(d));
  check('  timestamp kept', d && new Date(d.timestamp).getTime() === Date.UTC(2024, 11, 10, 10, 30), d && d.timestamp);
  const alert = once(socket, 'stress_alert');
  // An alert takes sustained evidence: minutes of calm, then a minute at the extreme, as one batch that ends now.
  const rising = Array.from({ length: 480 }, (_, i) => {
    const share = Math.min(1, Math.max(0, (i - 419) / 10)), still = Math.sin(i) * 0.3;
    return { hr: Math.min(150, 72 + 78 * share + (share < 1 ? still : 0)), temp: 33.5 + 4.5 * share,
      eda: 0.45 + 1.15 * share, timestamp: Date.now() - (479 - i) * 1000, device_id: 'ESP32_001' };
  });
  esp.emit('esp32_sensor_data', rising);
  const al = await alert;
  check('stress_alert', al && al.type === 'stress_alert' && al.level === 'high_stress' && al.sensor_data.hr === 150, JSON.stringify(al));
  const hist = once(socket, 'history_data');
  socket.emit('frontend_request_history', { limit: 50 });
  const h = await hist;
  check('history_data {data: [...]}', h && Array.isArray(h.data) && h.data.length >= 2, h && h.data.length);
  const hist2 = once(socket, 'history_data');
  socket.emit('frontend_request_history', { limit: 5, start_date: '2024-12-10', end_date: '2024-12-10' });
  const h2 = await hist2;
  check('history by date, end day included', h2 && h2.data.length >= 1 && h2.data.every((r) => r.timestamp.startsWith('2024-12-10')), h2 && h2.data.length);
  const pong = once(socket, 'pong');
  socket.emit('ping', {});
  check('ping -> pong', (await pong) !== undefined, JSON.stringify(await pong));
  const health = once(socket, 'health_status');
  socket.emit('health_check', {});
  check('health_check answered', (await health) !== undefined);
  socket.emit('frontend_subscribe_alerts', {});
  const err = once(esp, 'data_received');
  esp.emit('esp32_sensor_data', { hr: 'x' });
  const e = await err;
  check('bad reading -> status error', e && e.status === 'error', JSON.stringify(e));
  const str = once(esp, 'data_received');
  esp.emit('esp32_sensor_data', '{"hr":75,"temp":36.2,"eda":0.4}');
  check('reading as a JSON string', ((await str) || {}).status === 'success');
  const r = await fetch(`http://127.0.0.1:${port}/api/esp32/data`, { method: 'POST', headers: { 'content-type': 'application/json', origin: 'http://localhost:3000' }, body: '{"hr":75,"temp":36.2,"eda":0.4}' });
  check('HTTP fallback + CORS', r.ok && !!r.headers.get('access-control-allow-origin'), r.status + ' ' + r.headers.get('access-control-allow-origin'));
  for (const path of ['/api/websocket/info', '/api/system/status', '/api/websocket/test'])
    check('GET ' + path, (await fetch(`http://127.0.0.1:${port}${path}`)).ok);
  socket.close(); esp.close();
  const good = results.filter(Boolean).length;
  console.log(`${good} passed, ${results.length - good} failed`);
  process.exit(good === results.length ? 0 : 1);
})();

// A device that gathered samples while it was away and sends them all at once. Usage: node burst.cjs PORT TRANSPORT COUNT
// Prints how many were answered, once all were.
const { io } = require("socket.io-client");

const [port, transport, count] = process.argv.slice(2);
const socket = io(`http://127.0.0.1:${port}`, { query: { type: "esp32" }, transports: [transport], autoConnect: false });
const answered = new Set();
for (let seq = 0; seq < Number(count); seq++) {
  const sample = { hr: 70, temp: 33.5, eda: 1.2, device_id: `${transport}_${count}`, boot: "0123456789abcdef", seq };
  socket.emit("esp32_sensor_data", sample);
}
socket.on("disconnect", (reason) => console.log(`disconnected: ${reason}`));
socket.on("data_received", (answer) => {
  if (answer.status === "success") answered.add(answer.seq);
  if (answered.size === Number(count)) {
    console.log(`${answered.size} answered`);
    socket.close();
  }
});
socket.connect();

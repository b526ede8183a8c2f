// A frontend with socket.io-client 4: says by which transport it came, and the first events. Usage: connect.cjs URL TRANSPORTS [PATH]
const { io } = require("socket.io-client");
const [url, transports, path] = process.argv.slice(2);
const socket = io(url, { transports: JSON.parse(transports), reconnection: false, ...(path && { path }) });
const heard = [];
const done = (status) => {
  console.log(JSON.stringify({ transport: socket.io.engine?.transport.name, heard }));
  process.exit(status);
};
socket.onAny((event) => heard.push(event));
socket.on("connect", () => {
  const ask = () => socket.emit("ping");
  if (socket.io.engine.transport.name === JSON.parse(transports).at(-1)) ask();
  else socket.io.engine.once("upgrade", ask);
});
socket.on("connect_error", (error) => {
  heard.push(String(error));
  done(1);
});
socket.on("pong", () => done(0));
setTimeout(() => done(1), 10_000);

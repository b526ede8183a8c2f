// A frontend that prints each event as one line of JSON. Usage: node listen.cjs PORT
// A line on stdin, `{"event": ..., "data": ...}`, is emitted. `raw TEXT` goes out as the argument of esp32_sensor_data
// as it stands, also where no JSON library would write it.
const { io } = require("socket.io-client");
const readline = require("node:readline");

const socket = io(`ws://127.0.0.1:${process.argv[2]}`, { query: { type: "frontend" }, transports: ["websocket"] });
socket.onAny((event, data) => console.log(JSON.stringify({ event, data })));
socket.on("connect", () => console.log("connected"));
socket.on("disconnect", (reason) => console.log(`disconnected: ${reason}`));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (line.startsWith("raw ")) {
    socket.io.engine.write(`2["esp32_sensor_data",${line.slice(4)}]`);
    return;
  }
  const { event, data } = JSON.parse(line);
  socket.emit(event, data, (answer) => console.log(JSON.stringify({ event: "acknowledged", data: answer })));
});

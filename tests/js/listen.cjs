// A frontend that prints each event as one line of JSON. Usage: node listen.cjs PORT
// A line on stdin, `{"event": ..., "data": ...}`, is emitted.
const { io } = require("socket.io-client");
const readline = require("node:readline");

const socket = io(`ws://127.0.0.1:${process.argv[2]}`, { query: { type: "frontend" } });
socket.onAny((event, data) => console.log(JSON.stringify({ event, data })));
socket.on("connect", () => console.log("connected"));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { event, data } = JSON.parse(line);
  socket.emit(event, data);
});

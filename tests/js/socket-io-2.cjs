// A frontend with socket.io-client 2: says what `error` brings. Usage: socket-io-2.cjs PORT TRANSPORTS
const io = require("socket.io-client-2");
const [port, transports] = process.argv.slice(2);
const socket = io(`http://127.0.0.1:${port}`, { transports: JSON.parse(transports), query: { type: "frontend" } });
socket.on("error", (error) => {
  console.log(`error: ${error}`);
  process.exit(0);
});
setTimeout(() => {
  console.log("nothing came");
  process.exit(1);
}, 10_000);

// A frontend as docs/clients.md shows it, which asks for what it missed. Usage: node returning.cjs URL TRANSPORTS, with commas
// Prints `connected`, `disconnected: WHY`, and the id of each reading.
const { io } = require("socket.io-client");
const [url, transports] = process.argv.slice(2);
const socket = io(url, { query: { type: "frontend" }, transports: transports.split(",") });
let newest = 0;
const take = (reading) => {
  if (reading.id <= newest) return;
  newest = reading.id;
  console.log(`reading ${reading.id}`);
};
socket.on("connect", () => {
  console.log("connected");
  socket.emit("frontend_request_history", { after_id: newest, limit: 1000 });
});
socket.on("disconnect", (reason) => console.log(`disconnected: ${reason}`));
socket.on("history_data", (page) => page.data.forEach(take));
socket.on("new_sensor_data", take);

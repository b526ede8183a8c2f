import { HISTORY_DEFAULT, HISTORY_MAX, type HistoryRequest } from "../contract.gen.ts";

/** The history request for the fields of a form; empty fields are left out. */
export function historyRequest(limit: string, start: string, end: string, deviceId: string): HistoryRequest {
  const request: HistoryRequest = { limit: clampLimit(limit) };
  if (start) request.start_date = start;
  if (end) request.end_date = end;
  if (deviceId.trim()) request.device_id = deviceId.trim();
  return request;
}

function clampLimit(limit: string): number {
  const wanted = Math.trunc(Number(limit));
  if (limit.trim() === "" || !Number.isFinite(wanted)) return HISTORY_DEFAULT;
  return Math.min(Math.max(wanted, 1), HISTORY_MAX);
}

/** Fetch a document of this server. Throws unless the answer is successful. */
export async function fetchDocument<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

// Asks a running endpoint with Comunica and prints what it found, as JSON.
// node comunica.js URL PATH SELECT ASK CONSTRUCT
import { QueryEngine } from "@comunica/query-sparql";

const [url, path, select, ask, construct] = process.argv.slice(2);
const engine = new QueryEngine();
const endpoint = { sources: [{ type: "sparql", value: `${url}/sparql` }] };

const rows = async (query, context) => {
  const bindings = await (await engine.queryBindings(query, context)).toArray();
  return bindings.map((row) => [row.get("p").value, row.get("amount").value]);
};

// Two patterns: each is looked for in the endpoint and in a document, and Comunica joins what it finds.
const joined = select.replace("SELECT", "SELECT DISTINCT").replace("FILTER", ". ?operation ?p ?amount FILTER");
const document = `${url}/data/${path}.ttl`;
console.log(
  JSON.stringify({
    select: await rows(select, endpoint),
    ask: await engine.queryBoolean(ask, endpoint),
    construct: (await (await engine.queryQuads(construct, endpoint)).toArray()).length,
    both: await rows(joined, { sources: [...endpoint.sources, document] }),
    // It likes N-Quads best, which tell the graph of each statement.
    dereferenced: await rows(select, { sources: [`${url}/id/${path}`], unionDefaultGraph: true }),
  }),
);

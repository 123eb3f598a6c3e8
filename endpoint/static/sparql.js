// The SPARQL form's table: asks /sparql in place and shows the answer under the form.
// Without this file the form still works: it is a plain GET in the format chosen. editor.js, where it is there, shows
// the answer in its own way.
"use strict";

(() => {
  const SHOWN = 1000;
  const form = document.getElementById("sparql");
  const { endpoint, base, root, lang, thousands } = form.dataset;
  const word = (key) => form.dataset[`text${key[0].toUpperCase()}${key.slice(1)}`];
  const result = document.getElementById("result");
  const answer = document.getElementById("answer");
  const format = document.getElementById("format");
  const ontology = "https://w3id.org/cupola/onto/";

  format.prepend(new Option(word("table"), "", true, true));

  const element = (name, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const show = (...nodes) => {
    answer.replaceChildren(...nodes);
    result.hidden = false;
  };
  const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, thousands);

  // Where an IRI leads: the release's and the vocabulary's to pages here, others outside.
  const address = (iri) => {
    const carried = lang ? `?lang=${lang}` : "";
    if (iri.startsWith(ontology)) return `${root}/onto/${carried}#${encodeURI(iri.slice(ontology.length))}`;
    if (base && iri.startsWith(`${base}id/`)) return `${root}/doc/${iri.slice(base.length + 3)}${carried}`;
    return /^https?:\/\//i.test(iri) ? iri : null;
  };
  form.address = address;
  const cell = (term) => {
    if (!term) return element("td", "");
    const td = element("td");
    const href = term.type === "uri" ? address(term.value) : null;
    const inside = element(href ? "a" : "span", term.value);
    if (href) inside.href = href;
    if (term["xml:lang"]) inside.lang = term["xml:lang"];
    if (term.datatype) inside.title = term.datatype;
    if (/#(integer|decimal|double)$/.test(term.datatype || "")) td.className = "figure";
    td.append(inside);
    return td;
  };
  const table = ({ head, results }) => {
    const rows = results.bindings;
    const made = element("table");
    made.append(element("caption", rows.length === 1 ? word("rowsOne") : word("rowsMany").replace("{n}", count(rows.length))));
    const top = element("tr");
    for (const name of head.vars) {
      const th = element("th", name);
      th.scope = "col";
      top.append(th);
    }
    made.append(element("thead"), element("tbody"));
    made.tHead.append(top);
    for (const row of rows.slice(0, SHOWN)) {
      const tr = element("tr");
      for (const name of head.vars) tr.append(cell(row[name]));
      made.tBodies[0].append(tr);
    }
    const cut = rows.length > SHOWN ? [element("p", word("shownRows").replace("{n}", count(SHOWN)))] : [];
    return [...cut, made];
  };
  // The element that shows an answer; editor.js puts its own in place of it.
  form.showAnswer = (text, type) => {
    if (!type.includes("sparql-results+json")) return element("pre", text);
    const found = JSON.parse(text);
    if ("boolean" in found) return element("p", word(found.boolean ? "yes" : "no"));
    const shown = document.createDocumentFragment();
    shown.append(...table(found));
    return shown;
  };
  const failure = (title, detail) => {
    const box = element("p", title);
    box.className = "notice";
    show(box, element("pre", detail));
  };

  form.addEventListener("submit", async (event) => {
    if (format.value !== "") return; // a file: let the browser ask for it
    event.preventDefault();
    show(element("p", word("running")));
    const began = performance.now();
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        headers: { Accept: "application/sparql-results+json, text/turtle;q=0.9, application/problem+json;q=0.5" },
        body: new URLSearchParams({ query: form.elements.query.value }),
      });
      const type = response.headers.get("Content-Type") || "";
      const text = await response.text();
      if (!response.ok) {
        const said = type.includes("json") ? JSON.parse(text) : { detail: text };
        failure(said.title || word("failed"), said.detail || "");
      } else {
        show(form.showAnswer(text, type, performance.now() - began));
      }
      result.scrollIntoView({ block: "start" });
    } catch (error) {
      failure(word("unreachable"), String(error));
    }
  });
})();

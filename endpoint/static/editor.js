// YASGUI's editor in place of the text field, and its view of results in place of the table of sparql.js.
// Without its files (static/editor/) this one does nothing, and the form works as sparql.js has it.
"use strict";

(() => {
  const { Yasqe, Yasr } = window;
  const form = document.getElementById("sparql");
  if (!Yasqe || !Yasr || !form.showAnswer) return;
  const words = JSON.parse(form.dataset.words);
  const text = form.elements.query;

  // --- the terms offered while writing: ours, asked once; nothing from other hosts ---
  let asked;
  const terms = () => (asked ??= fetch(form.dataset.terms).then((answer) => answer.json()));
  const offer = (from, make) =>
    Yasqe.forkAutocompleter(from, { name: `cupola-${from}`, bulk: true, persistenceId: null, get: () => terms().then(make) }, false);
  offer("prefixes", ({ prefixes }) => Object.entries(prefixes).map(([name, iri]) => `${name}: <${iri}>`).sort());
  offer("class", ({ classes }) => classes);
  offer("property", ({ properties }) => properties);

  // --- the editor ---
  const place = document.createElement("div");
  place.className = "editor";
  text.before(place);
  text.hidden = true;
  const run = () => form.requestSubmit();
  const yasqe = new Yasqe(place, {
    value: text.value,
    autocompleters: ["variables", "cupola-prefixes", "cupola-class", "cupola-property"],
    prefixCcApi: null,
    persistenceId: null, // a query may name somebody: it is not kept in the browser
    consumeShareLink: null,
    createShareableLink: null,
    showQueryButton: false,
    resizeable: false,
    editorHeight: "24rem",
    lineWrapping: true,
    // Tab goes on to the button, as everywhere on a page; Ctrl-Space completes.
    extraKeys: { Tab: false, "Shift-Tab": false, "Ctrl-Enter": run, "Cmd-Enter": run },
    screenReaderLabel: text.labels[0].textContent,
  });
  yasqe.on("change", () => (text.value = yasqe.getValue()));
  text.value = yasqe.getValue();
  form.querySelector(".keys").hidden = false;

  // --- the results ---
  const shown = document.createElement("div");
  let ours = {};
  terms().then(({ prefixes }) => (ours = prefixes));
  Object.assign(Yasr.plugins.table.defaults.tableConfig.language, words.table);
  Yasr.plugins.table.defaults.openIriInNewWindow = false;
  const yasr = new Yasr(shown, {
    persistenceId: null,
    prefixes: () => ({ ...ours, ...yasqe.getPrefixesFromQuery() }),
    plugins: { table: { enabled: true, dynamicConfig: { compact: true } } }, // values without their datatypes
  });
  form.showAnswer = (data, contentType, duration) => {
    yasr.setResponse({ data, contentType, status: 200 }, Math.round(duration));
    return shown;
  };

  // Its words are English: those of its controls are put into the language of the page.
  const say = () => {
    for (const one of yasr.headerEl.querySelectorAll("*")) {
      for (const name of ["title", "aria-label", "placeholder"]) {
        const word = words.controls[one.getAttribute(name)];
        if (word) one.setAttribute(name, word);
      }
      const word = one.childElementCount ? null : words.controls[one.textContent.trim()];
      if (word) one.textContent = word;
    }
    const chip = yasr.headerEl.querySelector(".yasr_response_chip");
    const [number, seconds] = (chip?.textContent.match(/\d+(\.\d+)?/g) || []).map((n) => n.replace(".", words.decimal));
    if (seconds) chip.textContent = words.found.replace("{n}", number).replace("{s}", seconds);
    yasr.headerEl.querySelector(".yasr_external_ref_btn")?.remove(); // leads to its makers' pages
  };
  // Addresses of this release and of the vocabulary lead to pages here.
  const lead = () => {
    for (const link of yasr.resultsEl.querySelectorAll("a.iri:not([data-led])")) {
      link.dataset.led = "";
      const href = form.address(link.getAttribute("href"));
      if (href) link.href = href;
      else link.removeAttribute("href");
    }
  };
  yasr.on("drawn", say);
  new MutationObserver(lead).observe(yasr.resultsEl, { childList: true, subtree: true });
})();

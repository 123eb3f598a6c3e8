// Opens what is folded around the place an address leads to ("#scheme/phases/2"): not every browser does it by itself.
// Without this file the place is there, folded.
"use strict";

(() => {
  const unfold = () => {
    const name = location.hash.slice(1);
    let place = document.getElementById(name);
    if (!place) {
      try {
        place = document.getElementById(decodeURIComponent(name));
      } catch (fault) {
        if (!(fault instanceof URIError)) throw fault; // "%zz" names no place
      }
    }
    for (let around = place; around; around = around.parentElement) {
      if (around.localName === "details") around.open = true;
    }
    if (place) place.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();
})();

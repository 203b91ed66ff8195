// Goes on once the applications' frames have loaded, or have had three seconds. Without script the page goes on by itself
// a little later, and its button does at once. Written so that old engines parse it.
"use strict";
(function () {
  var gone = false;
  function go() {
    if (!gone) {
      gone = true;
      location.replace(document.getElementById("next").href);
    }
  }
  addEventListener("load", go);
  setTimeout(go, 3000);
})();

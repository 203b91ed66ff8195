// Goes on once the applications' frames have loaded, or have had three seconds. Without script the page goes on by itself
// a little later (the header Refresh), and its button does at once.
"use strict";
const go = () => location.replace(document.getElementById("next").href);
addEventListener("load", go);
setTimeout(go, 3000);

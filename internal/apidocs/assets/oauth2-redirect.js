"use strict";
// Hands the authorization response to the page of this origin that asked for it, which knows its state (docs.js).
const answer = location.search.slice(1);
history.replaceState(null, "", location.pathname); // the code is nobody else's
new BroadcastChannel("api-docs").postMessage(answer);
window.close();

import { $ } from "./dom.js";

let beats = null;

function state(text) {
  $("heartbeat-state").className = `state ${text}`;
  $("heartbeat-state").textContent = text;
}

export function toggleHeartbeat() {
  $("heartbeat-toggle").textContent = beats ? "Start" : "Stop";
  beats?.close();
  if (beats) {
    beats = null;
    state("closed");
    return;
  }
  state("connecting");
  beats = new EventSource("/events/heartbeat");
  beats.onopen = () => state("open");
  beats.onerror = () => state("connecting"); // the browser comes back by itself
  beats.addEventListener("heartbeat", ({ data }) => {
    $("beats").textContent = Number($("beats").textContent) + 1;
    $("beat-time").textContent = new Date(JSON.parse(data).time).toLocaleTimeString();
    $("pulse").classList.remove("beat");
    requestAnimationFrame(() => requestAnimationFrame(() => $("pulse").classList.add("beat")));
  });
}

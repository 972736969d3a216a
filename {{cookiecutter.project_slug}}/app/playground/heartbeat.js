import { $ } from "./dom.js";
import { serviceUrl } from "./service.js";

let source = null;

function showState(text) {
  $("heartbeat-state").className = `state ${text}`;
  $("heartbeat-state").textContent = text;
}

export function toggleHeartbeat() {
  $("heartbeat-toggle").textContent = source ? "Start" : "Stop";
  source?.close();
  if (source) {
    source = null;
    showState("closed");
    return;
  }
  showState("connecting");
  source = new EventSource(serviceUrl("/events/heartbeat"));
  source.onopen = () => showState("open");
  source.onerror = () => showState("connecting"); // the browser reconnects by itself
  source.addEventListener("heartbeat", ({ data }) => {
    $("heartbeat-count").textContent = Number($("heartbeat-count").textContent) + 1;
    $("heartbeat-time").textContent = new Date(JSON.parse(data).time).toLocaleTimeString();
    $("pulse").classList.remove("beat");
    // The animation restarts only if a frame without the class has been drawn.
    requestAnimationFrame(() => requestAnimationFrame(() => $("pulse").classList.add("beat")));
  });
}

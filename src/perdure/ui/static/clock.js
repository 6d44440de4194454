// Times as people say them. <time datetime data-ago> reads "3 s ago", <time datetime data-since> counts up; the
// exact local time is the title. <time datetime data-clock> is the local hour. Without scripts the exact time in UTC stands there.
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });

export function duration(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

function ago(ms) {
  if (ms < 0) return `in ${duration(-ms)}`;
  if (ms < 1000) return "now";
  return `${duration(ms).replace(/ (min|h|d) .*/, " $1")} ago`;
}

export function tell(root = document) {
  for (const time of root.querySelectorAll("time[data-clock]")) time.textContent = CLOCK.format(new Date(time.dateTime));
  for (const time of root.querySelectorAll("time[data-ago], time[data-since]")) {
    if (time.hasAttribute("data-since") && "gone" in document.documentElement.dataset) continue; // nothing lasts there
    const at = new Date(time.dateTime);
    const ms = Date.now() - at;
    const text = time.hasAttribute("data-ago") ? ago(ms) : duration(ms);
    if (time.textContent !== text) time.textContent = text;
    time.title ||= `${EXACT.format(at)} (${time.dateTime})`;
  }
}

tell();
setInterval(() => document.hidden || tell(), 1000);
document.addEventListener("live:changed", (event) => tell(event.target));

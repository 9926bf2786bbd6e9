// Shows every time of the page in the browser's own zone, as HH:MM, with the date when it is not
// today. The server, which does not know the zone, wrote it in UTC.

// The page's English: the day before the month, which every reader of English understands.
const language = "en-GB";
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });

function show() {
  const today = day.format(new Date());
  for (const element of document.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    const date = day.format(time);
    const isToday = date === today;
    element.textContent = "said" in element.dataset
      ? `${isToday ? "" : `on ${date} `}at ${clock.format(time)}`
      : `${isToday ? "" : `${date}, `}${clock.format(time)}`;
  }
}

show();
document.addEventListener("renewed", show);

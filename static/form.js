// What every form gains: a refused one shows first what is wrong, and a pressed button says so and
// cannot be pressed twice.

document.querySelector(".summary, .notice[role=alert]")?.focus();

/** A connection that brings no answer by then is one that the person may try anew. */
const GIVEN_UP_AFTER_MS = 20_000;

/** A form whose answer is a file leaves the page as it is. */
const DOWNLOADED_AFTER_MS = 2_000;

const sending = new Map();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (sending.has(form)) {
    event.preventDefault();
  } else if (!event.defaultPrevented) {
    show(form, event.submitter);
    if ("download" in form.dataset) setTimeout(() => goOn(form), DOWNLOADED_AFTER_MS);
    else setTimeout(() => restore(form), GIVEN_UP_AFTER_MS);
  }
});

// A page that comes back from the browser's memory comes back as it was left.
addEventListener("pageshow", () => [...sending.keys()].forEach(restore));

/** What was wrong before is wrong no more: a form that is refused again comes as a new page. */
function goOn(form) {
  restore(form);
  document.querySelectorAll(".summary, .complaint").forEach((said) => said.remove());
  form.querySelectorAll(".wrong").forEach((field) => field.classList.remove("wrong"));
  form.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
  form.querySelectorAll("[type=password]").forEach((input) => { input.value = ""; });
  document.title = document.title.replace(/^Error: /, "");
  document.querySelector("[data-downloaded]").hidden = false;
}

/** Enter in a field presses the unseen button, which stands for the main one. */
function show(form, submitter) {
  const button = submitter?.matches(":not(.unseen)") ? submitter : form.querySelector(".main");
  sending.set(form, { button, words: button?.textContent });
  // Not `disabled`: a disabled button is left out of what is sent, and loses the focus.
  button?.setAttribute("aria-disabled", "true");
  if (button?.dataset.busy) button.textContent = button.dataset.busy;
}

function restore(form) {
  const { button, words } = sending.get(form) ?? {};
  sending.delete(form);
  if (!button) return;
  button.removeAttribute("aria-disabled");
  button.textContent = words;
}

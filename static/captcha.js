// A new task without leaving the page, so that the password stays as well, and a button that plays
// the task. Each press asks for it once, since the server counts how often it is heard.

const GONE = "This task cannot be heard any more. Press “Another task” for a new one.";
const FAILED = "The task cannot be played just now. Try again in a moment.";

const button = document.querySelector("button[name=new_captcha]");
const link = document.querySelector(".captcha a[download]");
const play = document.querySelector(".captcha [data-busy]");
const said = document.querySelector(".captcha [role=status]");
const audio = new Audio();

button?.addEventListener("click", async (event) => {
  event.preventDefault();
  try {
    show(await ask());
  } catch {
    button.form.requestSubmit(button);
  }
});

if (link) {
  link.hidden = true;
  play.hidden = false;
  play.addEventListener("click", () => play.matches(".busy") || hear());
}

/** The form as the server answers it, with its new captcha. */
async function ask() {
  const form = new URLSearchParams(new FormData(button.form, button));
  for (const secret of button.form.querySelectorAll("[autocomplete$=password]")) form.delete(secret.name);
  const answer = await fetch(button.form.action, { method: "POST", body: form });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function show(page) {
  const { form } = button;
  const id = page.querySelector("[name=captcha_id]").value;
  form.querySelector(".captcha img").src = page.querySelector(".captcha img").getAttribute("src");
  link.href = page.querySelector(".captcha a[download]").getAttribute("href");
  audio.pause();
  said.textContent = "";
  form.elements.captcha_id.value = id;
  form.elements.captcha_answer.value = "";
  form.elements.captcha_answer.focus();
}

/** The focus stays on the button, and nothing is said that a screen reader would speak over the task. */
async function hear() {
  const words = play.textContent;
  said.textContent = "";
  play.classList.add("busy");
  play.textContent = play.dataset.busy;
  // Safari plays later what a press has loaded, and nothing else.
  audio.load();
  try {
    const task = link.href;
    const answer = await fetch(task);
    const file = await answer.blob();
    // Another task may have been asked for meanwhile.
    if (answer.ok && task === link.href) await sound(file);
    else if (!answer.ok) said.textContent = answer.status === 404 ? GONE : FAILED;
  } catch {
    said.textContent = FAILED;
  }
  play.classList.remove("busy");
  play.textContent = words;
}

/** Plays it, until its end, or until it is paused or breaks off. */
async function sound(file) {
  audio.src = URL.createObjectURL(file);
  const isOver = new Promise((done) => { audio.onpause = audio.onerror = done; });
  await audio.play();
  await isOver;
  URL.revokeObjectURL(audio.src);
}

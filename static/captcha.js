// A new picture without leaving the page, so that the password stays as well.

const button = document.querySelector("button[name=new_captcha]");

button?.addEventListener("click", async (event) => {
  event.preventDefault();
  try {
    show(await ask());
  } catch {
    button.form.requestSubmit(button);
  }
});

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
  form.elements.captcha_id.value = id;
  form.elements.captcha_answer.value = "";
  form.elements.captcha_answer.focus();
}

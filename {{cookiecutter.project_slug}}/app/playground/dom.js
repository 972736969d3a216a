export const $ = (id) => document.getElementById(id);

// Handles an event of an element; the message of an error is shown in the element `messageId`.
export function on(id, type, handle, messageId) {
  $(id).addEventListener(type, async (event) => {
    event.preventDefault();
    try {
      await handle(event);
    } catch (error) {
      showMessage(messageId, error.message, true);
    }
  });
}

export function showMessage(id, text, isError = false) {
  $(id).textContent = text;
  $(id).classList.toggle("error", isError);
}

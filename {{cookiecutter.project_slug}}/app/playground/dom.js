export const $ = (id) => document.getElementById(id);

// What happens on an element; a failure is said where `place` is.
export function on(id, type, act, place) {
  $(id).addEventListener(type, async (event) => {
    event.preventDefault();
    try {
      await act(event);
    } catch (error) {
      say(place, error.message, true);
    }
  });
}

export function say(id, text, bad = false) {
  $(id).textContent = text;
  $(id).classList.toggle("bad", bad);
}

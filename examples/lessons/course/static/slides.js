// Arrows, the space bar and clicks go through the slides; n shows the notes. The address says which slide it is.
const slides = [...document.querySelectorAll("section")];
let at = 0;

function show(number) {
    at = Math.max(0, Math.min(slides.length - 1, number));
    slides.forEach((slide, index) => slide.classList.toggle("shown", index === at));
    document.body.classList.toggle("going", at > 0);
    history.replaceState(null, "", `#${at + 1}`);
}

const keys = {
    ArrowRight: () => at + 1,
    ArrowDown: () => at + 1,
    PageDown: () => at + 1,
    " ": () => at + 1,
    Enter: () => at + 1,
    ArrowLeft: () => at - 1,
    ArrowUp: () => at - 1,
    PageUp: () => at - 1,
    Backspace: () => at - 1,
    Home: () => 0,
    End: () => slides.length - 1,
};

addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
        return;
    }
    if (event.key === "n") {
        document.body.classList.toggle("with-notes");
    } else if (keys[event.key]) {
        event.preventDefault();
        show(keys[event.key]());
    }
});
addEventListener("click", (event) => {
    if (!event.target.closest(".notes") && getSelection().isCollapsed) {
        show(at + (event.clientX < innerWidth / 4 ? -1 : 1));
    }
});
addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1));
show((Number(location.hash.slice(1)) || 1) - 1);

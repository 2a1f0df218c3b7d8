// What does not fit on one page is set in smaller letters, and a figure in the room that is left.
const main = document.querySelector("main");
const figure = document.querySelector(".figure img");

function fit() {
    let points = 11;
    let height = 80; // of the figure, in mm
    const least = figure ? 25 : height;
    const full = () => main.scrollHeight > main.clientHeight || main.scrollWidth > main.clientWidth;
    while (full() && (points > 7 || height > least)) {
        if (height > Math.max(least, 45)) {
            height -= 5;
        } else if (points > 7) {
            points -= 0.25;
        } else {
            height -= 5;
        }
        document.documentElement.style.fontSize = `${points}pt`;
        figure?.style.setProperty("max-height", `${height}mm`);
    }
    document.body.dataset.fits = !full();
}

Promise.all([document.fonts.ready, figure?.decode()]).finally(fit);

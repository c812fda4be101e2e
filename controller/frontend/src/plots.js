import "uplot/dist/uPlot.min.css";
// uPlot, for the pages that compare over time: they load this file on top of app.js.
import uPlot from "uplot";

window.uPlot = uPlot;

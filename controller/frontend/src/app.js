import "./htmx.js";
import "htmx-ext-sse/dist/sse.js";
import "./live.js";
import "./refresh.js";
import "./notice.js";
import "./forms.js";
import "./elapsed.js";
import "./print.js";

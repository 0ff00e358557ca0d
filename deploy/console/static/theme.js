// Before the page is painted: the theme that was chosen, or the system's.
const theme = localStorage.getItem("theme");
if (theme) document.documentElement.dataset.theme = theme;

// Runs before anything is drawn, so that a dark page never flashes white.
(() => {
  const chosen = localStorage.getItem("tierwise-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();

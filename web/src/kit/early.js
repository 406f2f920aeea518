// Runs before the first paint: a remembered theme overrides the system's.
try {
  const theme = localStorage.getItem('loggia.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {}

/**
 * Stardust looks for a host runtime and would load a script from elsewhere if one answered.
 * A frozen stand-in that refuses ends the search before the library is loaded.
 */
Object.defineProperty(window, 'QlikMain', {
  value: Object.freeze({ import: () => Promise.reject(new Error('there is no host runtime here')) }),
  writable: false,
})

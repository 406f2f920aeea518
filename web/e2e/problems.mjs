import assert from 'node:assert/strict'

/** Fails with the browser's complaints, but for those that a test provokes. */
export function expectNoProblems(problems, allow = []) {
  const left = problems.filter((problem) => !allow.some((pattern) => pattern.test(problem)))
  assert.deepEqual(left, [], 'the browser complained')
}

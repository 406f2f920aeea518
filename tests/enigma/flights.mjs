// The flights file read the slow and obvious way, to check the engine's numbers against.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { demoFiles } from '../support/server.mjs'

const origins = { EWR: 'Newark', JFK: 'Kennedy', LGA: 'La Guardia' }

function read(name) {
  const [head, ...lines] = readFileSync(join(demoFiles, 'flights', name), 'utf8').trimEnd().split(/\r?\n/)
  const names = head.split(',')
  // None of these files quotes a value.
  return lines.map((line) => {
    const values = line.split(',')
    return Object.fromEntries(names.map((name, at) => [name, values[at]]))
  })
}

let rows
/** Every flight with its plane's maker, one object each. */
export function flights() {
  if (rows) return rows
  const planes = new Map(read('planes.csv').map((plane) => [plane.tailnum, plane]))
  rows = read('flights.csv').map((flight) => ({
    origin: origins[flight.origin],
    carrier: flight.carrier,
    month: Number(flight.month),
    delay: flight.dep_delay === 'NA' ? undefined : Number(flight.dep_delay),
    distance: Number(flight.distance),
    tail: flight.tailnum,
    maker: planes.get(flight.tailnum)?.manufacturer,
  }))
  return rows
}

/** Number of flights by a property, over those that `keep` keeps. */
export function countBy(property, keep = () => true) {
  const counts = {}
  for (const flight of flights()) if (keep(flight)) counts[flight[property]] = (counts[flight[property]] ?? 0) + 1
  return counts
}

export function averageDelay(keep = () => true) {
  let sum = 0
  let count = 0
  for (const flight of flights()) {
    if (flight.delay === undefined || !keep(flight)) continue
    sum += flight.delay
    count += 1
  }
  return sum / count
}

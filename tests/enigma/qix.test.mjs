// The engine protocol as a visitor's client meets it, through the unmodified enigma.js.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Server, apps } from '../support/server.mjs'
import { connect, cube, field, list, measure, open, pick, rows, send, states, visit } from './client.mjs'
import { averageDelay, countBy, flights } from './flights.mjs'

let server
before(async () => {
  server = await Server.start()
})
after(() => server?.stop())

/** Runs `use` with a new visitor's open app. */
async function visiting(app, use) {
  const visitor = await visit(server, app)
  try {
    await use(visitor)
  } finally {
    await visitor.close()
  }
}

const near = (found, wanted, what) => assert.ok(Math.abs(found - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted)), `${what ?? 'value'}: ${found}, wanted ${wanted}`)

describe('opening', () => {
  it('greets a socket and opens the app of its address', async () => {
    await visiting(apps.flights, async ({ session, doc, global }) => {
      const greeting = session.messages.find((message) => message.name === 'OnConnected')
      assert.equal(greeting?.data.qSessionState, 'SESSION_CREATED')
      assert.equal(doc.id, apps.flights)
      const layout = await doc.getAppLayout()
      assert.equal(layout.qTitle, 'New York flights 2013')
      assert.match(layout.qLastReloadTime, /^\d{4}-\d\d-\d\dT/)
      assert.equal((await global.getActiveDoc()).id, apps.flights)
    })
  })

  it('says who is calling', async () => {
    await visiting(apps.penguins, async ({ global }) => {
      const name = await global.getAuthenticatedUser()
      assert.match(name, /UserDirectory=NONE; UserId=anonymous[0-9a-f-]{32,36}/i)
    })
  })

  it('has the sheets in their order, and their charts with numbers', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const object = await doc.createSessionObject({
        qInfo: { qType: 'SheetList' },
        qAppObjectListDef: { qType: 'sheet', qData: { title: '/qMetaDef/title', rank: '/rank', cells: '/cells' } },
      })
      const { qAppObjectList } = await object.getLayout()
      const sheets = [...qAppObjectList.qItems].sort((one, other) => one.qData.rank - other.qData.rank)
      assert.deepEqual(sheets.map((sheet) => sheet.qInfo.qId), ['overview', 'weather', 'aircraft'])
      for (const sheet of sheets) {
        for (const cell of sheet.qData.cells) {
          const layout = await (await doc.getObject(cell.name)).getLayout()
          assert.equal(layout.qInfo.qType, cell.type)
          if (cell.type === 'filterpane') {
            assert.ok(layout.qChildList.qItems.length >= 5, `${cell.name} has its list boxes`)
            continue
          }
          const { qHyperCube } = layout
          assert.ok(qHyperCube, `${cell.name} has a cube`)
          assert.equal(qHyperCube.qError, undefined, cell.name)
          for (const info of [...qHyperCube.qDimensionInfo, ...qHyperCube.qMeasureInfo]) {
            assert.equal(info.qError, undefined, `${cell.name}: ${JSON.stringify(info.qError)}`)
          }
          assert.ok(qHyperCube.qSize.qcy > 0, `${cell.name} has rows`)
          for (const total of qHyperCube.qGrandTotalRow) assert.equal(typeof total.qNum, 'number', `${cell.name} has a total`)
        }
      }
    })
  })

  it('every chart of every public app computes', async () => {
    for (const app of [apps.penguins, apps.world]) {
      await visiting(app, async ({ doc }) => {
        for (const { qId, qType } of await doc.getAllInfos()) {
          if (['sheet', 'filterpane', 'listbox', 'LoadModel'].includes(qType)) continue
          const { qHyperCube } = await (await doc.getObject(qId)).getLayout()
          const errors = [qHyperCube, ...qHyperCube.qDimensionInfo, ...qHyperCube.qMeasureInfo].map((part) => part.qError).filter(Boolean)
          assert.deepEqual(errors, [], qId)
          assert.ok(qHyperCube.qSize.qcy > 0, `${qId} has rows`)
        }
      })
    }
  })
})

describe('refusals', () => {
  it('an unknown app and a malformed id are refused without a hint', async () => {
    const person = server.somebody()
    await person.page('/public/hub')
    const refusals = []
    for (const app of ['00000000-0000-4000-8000-000000000000', apps.strikes, 'no-such-app']) {
      const session = connect(person, app)
      const global = await session.open()
      const error = await global.openDoc(app).then(() => assert.fail(`${app} opened`), (refusal) => refusal)
      assert.equal(typeof error.code, 'number', `${app}: ${error.message}`)
      refusals.push(`${error.code} ${error.message}`.replaceAll(app, 'APP'))
      await session.close()
    }
    await person.end()
    assert.equal(refusals[0], refusals[1], 'what exists but is hidden looks like what does not exist')
  })

  it('an unknown method answers -32601 and the session goes on', async () => {
    await visiting(apps.penguins, async ({ session, doc }) => {
      await assert.rejects(send(session, doc.handle, 'MakeCoffee', []), { code: -32601 })
      await assert.rejects(send(session, -1, 'GetTeapot', []), { code: -32601 })
      assert.equal((await doc.getAppLayout()).qTitle, 'Palmer penguins')
    })
  })

  it('wrong parameters and handles are answered with an error each', async () => {
    await visiting(apps.penguins, async ({ session, doc }) => {
      const codeOf = (call) => call.then(() => 'no error', (error) => typeof error.code)
      assert.equal(await codeOf(send(session, 4711, 'GetLayout', [])), 'number', 'an unknown handle')
      assert.equal(await codeOf(send(session, doc.handle, 'GetObject', [{ not: 'an id' }])), 'number', 'a wrong type')
      assert.equal(await codeOf(send(session, doc.handle, 'GetObject', [])), 'number', 'nothing at all')
      const error = await doc.getObject('FieldList').catch((refusal) => refusal)
      assert.deepEqual([error.code, error.message], [2, 'Object not found'], 'clients look for exactly this')
    })
  })

  it('a visitor cannot change the app', async () => {
    await visiting(apps.penguins, async ({ doc, session }) => {
      const chart = await doc.getObject('mass-by-species')
      const before = await chart.getProperties()
      const meta = (await chart.getLayout()).qMeta
      assert.ok(!meta.privileges.includes('update'), `privileges are ${meta.privileges}`)
      await assert.rejects(chart.setProperties({ ...before, title: 'Mine' }))
      await assert.rejects(chart.applyPatches([{ qOp: 'replace', qPath: '/title', qValue: '"Mine"' }], false))
      await assert.rejects(doc.createObject({ qInfo: { qType: 'sheet' }, qMetaDef: { title: 'Mine' } }))
      await assert.rejects(doc.destroyObject('mass-by-species'))
      await assert.rejects(doc.doSave())
      await assert.rejects(doc.setScript('LOAD 1 AS X AUTOGENERATE 1;'))
      await assert.rejects(send(session, doc.handle, 'DoReload', [0, false, false]))
      assert.deepEqual(await chart.getProperties(), before)
    })
  })
})

describe('numbers', () => {
  it('agree with the file, row by row', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const object = await cube(doc, [field('Origin')], [measure('Sum([Flight count])'), measure('Avg([Departure delay])'), measure('Count(DISTINCT [Tail number])')])
      const found = await rows(object)
      assert.deepEqual(found.map((row) => row[0]), ['Kennedy', 'La Guardia', 'Newark'])
      for (const [origin, count, delay, planes] of found) {
        assert.equal(count, countBy('origin')[origin])
        near(delay, averageDelay((flight) => flight.origin === origin), `delay of ${origin}`)
        const tails = new Set(flights().filter((flight) => flight.origin === origin && flight.tail !== 'NA').map((flight) => flight.tail))
        assert.equal(planes, tails.size)
      }
    })
  })

  it('come in pages', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const object = await cube(doc, [field('Destination code')], [measure('Sum([Flight count])')], { qInitialDataFetch: [] })
      const { qHyperCube } = await object.getLayout()
      assert.deepEqual([qHyperCube.qSize.qcx, qHyperCube.qSize.qcy], [2, 105])
      assert.equal(qHyperCube.qDataPages.length, 0)
      const [first] = await object.getHyperCubeData('/qHyperCubeDef', [{ qTop: 0, qLeft: 0, qWidth: 2, qHeight: 60 }])
      const [second] = await object.getHyperCubeData('/qHyperCubeDef', [{ qTop: 60, qLeft: 0, qWidth: 2, qHeight: 60 }])
      assert.equal(first.qMatrix.length, 60)
      assert.deepEqual([second.qMatrix.length, second.qArea.qHeight], [45, 45], 'the last page is clipped')
      const sum = [...first.qMatrix, ...second.qMatrix].reduce((all, row) => all + row[1].qNum, 0)
      assert.equal(sum, flights().length)
    })
  })

  it('follow links over several tables', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const object = await cube(doc, [field('Maker')], [measure('Sum([Flight count])')])
      const found = Object.fromEntries(await rows(object))
      assert.equal(found.Embraer, countBy('maker').EMBRAER)
      assert.equal(found.Airbus, countBy('maker').AIRBUS + countBy('maker')['AIRBUS INDUSTRIE'])
    })
  })

  it('obey set expressions and TOTAL', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const evaluate = async (expression) => (await doc.evaluateEx(expression)).qNumber
      const newark = countBy('origin').Newark
      assert.equal(await evaluate("Sum({<[Origin]={'Newark'}>} [Flight count])"), newark)
      assert.equal(await evaluate("Sum({<[Origin]-={'Newark'}>} [Flight count])"), flights().length - newark)
      assert.equal(await evaluate("Sum({<[Month]={7}>} [Flight count])"), countBy('month')[7])
      const object = await cube(doc, [field('Origin')], [measure('Sum([Flight count]) / Sum(TOTAL [Flight count])')])
      const shares = Object.fromEntries(await rows(object))
      near(shares.Newark, newark / flights().length, 'share of Newark')
      await pick(await list(doc, 'Origin'), ['Kennedy'])
      assert.equal(await evaluate('Sum({1} [Flight count])'), flights().length, 'the whole, whatever is selected')
    })
  })

  it('are nested in pivot and stacked cubes', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const dimensions = () => [field('Origin'), field('Month')]
      const pivot = await cube(doc, dimensions(), [measure('Sum([Flight count])')], {
        qMode: 'P', qNoOfLeftDims: 1, qAlwaysFullyExpanded: true, qInterColumnSortOrder: [0, 1],
      })
      const { qHyperCube: pivoted } = await pivot.getLayout()
      const [page] = await pivot.getHyperCubePivotData('/qHyperCubeDef', [{ qTop: 0, qLeft: 0, qWidth: 12, qHeight: 3 }])
      assert.equal(pivoted.qMode, 'P')
      assert.deepEqual(page.qLeft.map((node) => node.qText), ['Kennedy', 'La Guardia', 'Newark'])
      assert.equal(page.qTop.length, 12)
      assert.equal(page.qData.flat().reduce((all, cell) => all + cell.qNum, 0), flights().length)

      const stack = await cube(doc, dimensions(), [measure('Sum([Flight count])')], {
        qMode: 'K', qInterColumnSortOrder: [0, 1], qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 500, qHeight: 500 }],
      })
      const { qHyperCube: stacked } = await stack.getLayout()
      assert.deepEqual([stacked.qSize.qcy, stacked.qSize.qcx], [3, 12])
      const [{ qData: [root] }] = stacked.qStackedDataPages
      assert.deepEqual(root.qSubNodes.map((node) => node.qText), ['Kennedy', 'La Guardia', 'Newark'])
      assert.equal(root.qMaxPos, Math.max(...root.qSubNodes.map((node) => node.qMaxPos)), 'as far as the axis must reach')
      const leaves = root.qSubNodes.flatMap((node) => node.qSubNodes).flatMap((node) => node.qSubNodes)
      assert.equal(leaves.reduce((all, leaf) => all + leaf.qValue, 0), flights().length)
    })
  })

  it('of several measures stand under their titles in a pivot', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const titled = (expression, qLabel) => ({ qDef: { qDef: expression, qLabel } })
      const measures = [titled('Sum([Flight count])', 'Flights'), titled('Avg([Departure delay])', 'Delay')]
      const pivot = await cube(doc, [field('Origin')], measures, { qMode: 'P', qNoOfLeftDims: 1, qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 10, qHeight: 10 }] })
      const { qHyperCube } = await pivot.getLayout()
      const [page] = qHyperCube.qPivotDataPages
      assert.deepEqual(page.qTop.map((node) => [node.qType, node.qText, node.qElemNo]), [['P', 'Flights', -1], ['P', 'Delay', -2]])
      const [again] = await pivot.getHyperCubePivotData('/qHyperCubeDef', [{ qTop: 0, qLeft: 0, qWidth: 10, qHeight: 10 }])
      assert.deepEqual(again.qTop, page.qTop)
    })
  })

  it('a wrong expression spoils its own column only', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const object = await cube(doc, [field('Origin')], [measure('Sum([Flight count])'), measure('Sum([Flight count')])
      for (const [origin, count, wrong] of await rows(object)) {
        assert.equal(count, countBy('origin')[origin])
        assert.equal(wrong, 'NaN', 'a null stands where nothing could be computed')
      }
      // Editors ask for the reason in words.
      const check = await doc.checkExpression('Sum([Flight count')
      assert.ok(check.qErrorMsg.length > 0, JSON.stringify(check))
    })
  })
})

describe('selections', () => {
  it('reach every object over every link, and can be stepped through', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const bar = await doc.createSessionObject({ qInfo: { qType: 'CurrentSelections' }, qSelectionObjectDef: {} })
      const origin = await list(doc, 'Origin')
      const maker = await list(doc, 'Maker')
      const object = await cube(doc, [field('Maker')], [measure('Sum([Flight count])')])
      const before = await rows(object)

      const changed = new Promise((done) => object.once('changed', done))
      await pick(maker, ['Embraer'])
      await changed
      assert.deepEqual(await rows(object), [['Embraer', countBy('maker').EMBRAER]])
      assert.equal((await states(maker)).Boeing, 'A', 'other values of the same field are alternatives')
      const { qSelectionObject } = await bar.getLayout()
      assert.deepEqual(qSelectionObject.qSelections.map((one) => [one.qField, one.qSelected, one.qSelectedCount]), [['Maker', 'Embraer', 1]])
      assert.deepEqual([qSelectionObject.qBackCount, qSelectionObject.qForwardCount], [1, 0])

      await pick(origin, ['Newark'])
      const both = countBy('maker', (flight) => flight.origin === 'Newark').EMBRAER
      assert.deepEqual(await rows(object), [['Embraer', both]])

      await doc.back()
      assert.deepEqual(await rows(object), [['Embraer', countBy('maker').EMBRAER]])
      await doc.forward()
      assert.deepEqual(await rows(object), [['Embraer', both]])
      await doc.clearAll()
      assert.deepEqual(await rows(object), before)
      assert.deepEqual((await bar.getLayout()).qSelectionObject.qSelections, [])
    })
  })

  it('mark what is no longer possible', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const airline = await list(doc, 'Airline')
      const origin = await list(doc, 'Origin')
      await pick(airline, ['Hawaiian'])
      const found = await states(origin)
      assert.equal(found.Kennedy, 'O')
      assert.deepEqual([found.Newark, found['La Guardia']], ['X', 'X'], 'Hawaiian flies from Kennedy only')
      assert.deepEqual([(await states(airline)).Hawaiian, (await states(airline)).Delta], ['S', 'A'])
    })
  })

  it('made in a chart stay open until confirmed, and vanish when cancelled', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const chart = await doc.getObject('delay-by-airline')
      const total = async () => (await doc.evaluateEx('Sum([Flight count])')).qNumber
      await chart.beginSelections(['/qHyperCubeDef'])
      assert.equal((await chart.getLayout()).qSelectionInfo.qInSelections, true)
      const element = (await chart.getLayout()).qHyperCube.qDataPages[0].qMatrix[0][0].qElemNumber
      assert.equal(await chart.selectHyperCubeValues('/qHyperCubeDef', 0, [element], false), true)
      const selected = await total()
      assert.ok(selected < flights().length)
      await chart.endSelections(false)
      assert.equal(await total(), flights().length)

      await chart.beginSelections(['/qHyperCubeDef'])
      const other = await doc.getObject('flights-by-origin')
      await assert.rejects(other.beginSelections(['/qHyperCubeDef']), { code: 6003 }, 'one at a time')
      await chart.selectHyperCubeValues('/qHyperCubeDef', 0, [element], false)
      await chart.endSelections(true)
      assert.equal(await total(), selected)
    })
  })

  it('can be searched for', async () => {
    await visiting(apps.flights, async ({ doc }) => {
      const destination = await list(doc, 'Destination')
      assert.equal(await destination.searchListObjectFor('/qListObjectDef', '*chicago*'), true)
      const found = await states(destination)
      assert.deepEqual(Object.keys(found).sort(), ['Chicago Midway Intl', 'Chicago Ohare Intl'])
      await destination.acceptListObjectSearch('/qListObjectDef', false)
      assert.deepEqual([...new Set(Object.values(await states(destination)).filter((state) => state === 'S'))], ['S'])
      const chicago = (await doc.evaluateEx('Sum([Flight count])')).qNumber
      const codes = await cube(doc, [field('Destination code')], [measure('Sum([Flight count])')])
      const counted = await rows(codes)
      assert.deepEqual(counted.map((row) => row[0]), ['MDW', 'ORD'])
      assert.equal(counted.reduce((all, row) => all + row[1], 0), chicago)
    })
  })

  it('of two visitors do not touch each other', async () => {
    await visiting(apps.penguins, async (one) => {
      await visiting(apps.penguins, async (other) => {
        await pick(await list(one.doc, 'Species'), ['Gentoo'])
        const count = async (doc) => (await doc.evaluateEx('Count([Penguin])')).qNumber
        assert.equal(await count(one.doc), 124)
        assert.equal(await count(other.doc), 344)
      })
    })
  })
})

describe('soft patches', () => {
  it('are this session\'s alone', async () => {
    await visiting(apps.penguins, async (one) => {
      await visiting(apps.penguins, async (other) => {
        const mine = await one.doc.getObject('mass-by-year')
        const theirs = await other.doc.getObject('mass-by-year')
        await mine.applyPatches([
          { qOp: 'add', qPath: '/qHyperCubeDef/qMode', qValue: '"S"' },
          { qOp: 'Add', qPath: '/hash', qValue: '"0.33"' },
        ], true)
        assert.equal((await mine.getLayout()).qHyperCube.qMode, 'S')
        assert.equal((await mine.getEffectiveProperties()).hash, '0.33')
        assert.equal((await mine.getProperties()).hash, undefined, 'the stored properties stay')
        assert.equal((await theirs.getLayout()).qHyperCube.qMode, 'K')
        await mine.clearSoftPatches()
        assert.equal((await mine.getLayout()).qHyperCube.qMode, 'K')
      })
    })
  })
})

describe('a dropped socket', () => {
  it('is taken up again with its objects and selections', async () => {
    const visitor = await visit(server, apps.penguins, { suspendOnClose: true })
    const { session, doc } = visitor
    const species = await list(doc, 'Species')
    await pick(species, ['Chinstrap'])
    const suspended = new Promise((done) => session.once('suspended', done))
    session.sockets.at(-1).terminate()
    await suspended
    await session.resume()
    const greeting = session.messages.filter((message) => message.name === 'OnConnected').at(-1)
    assert.equal(greeting.data.qSessionState, 'SESSION_ATTACHED')
    assert.equal((await states(species)).Chinstrap, 'S', 'the session object and the selection are still there')
    assert.equal((await doc.evaluateEx('Count([Penguin])')).qNumber, 68)
    await visitor.close()
  })
})

describe('people', () => {
  it('open what visitors cannot', async () => {
    const ana = await server.person('ana')
    const opened = await open(ana, apps.strikes, { base: '' })
    assert.equal((await opened.doc.evaluateEx('Count([Report])')).qNumber, 10_000)
    assert.match(await opened.global.getAuthenticatedUser(), /UserDirectory=LOGGIA; UserId=ana/i)
    await opened.close()
  })
})

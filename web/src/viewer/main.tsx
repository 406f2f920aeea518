import './guard'
import { mount } from '../kit/mount'
import { connect } from './connection'
import { startNavigation } from './navigation'
import { keepReachable } from './reachable'
import { ignoreUnheard } from './unheard'
import { ViewerPage } from './ViewerPage'

const root = document.getElementById('root')
if (root) keepReachable(root)
ignoreUnheard(window)

mount((data) => {
  if (data.app) {
    startNavigation(data, data.app.id)
    connect(data, data.app.id)
  }
  return <ViewerPage data={data} />
})

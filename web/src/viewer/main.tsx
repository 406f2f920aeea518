import './guard'
import { mount } from '../kit/mount'
import { connect } from './connection'
import { startNavigation } from './navigation'
import { ViewerPage } from './ViewerPage'

mount((data) => {
  if (data.app) {
    startNavigation(data, data.app.id)
    connect(data, data.app.id)
  }
  return <ViewerPage data={data} />
})

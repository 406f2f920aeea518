import { mount } from '../kit/mount'
import { HubPage } from './HubPage'
import { prefetchViewer } from './prefetch'

mount((data) => <HubPage data={data} />)
prefetchViewer()

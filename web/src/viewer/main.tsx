import { mount } from '../kit/mount'
import { ViewerPage } from './ViewerPage'

mount((data) => <ViewerPage data={data} />)

import { mount } from '../kit/mount'
import { MessagePage } from './MessagePage'

mount((data) => <MessagePage data={data} />)

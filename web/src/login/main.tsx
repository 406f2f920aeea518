import { mount } from '../kit/mount'
import { LoginPage } from './LoginPage'

mount((data) => <LoginPage data={data} />)

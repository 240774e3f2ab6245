import { basePath } from './settings'

const config: { basePath: string } = { basePath }

export default config

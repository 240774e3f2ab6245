export const basePath: string = '/docs'

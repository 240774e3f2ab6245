import assert from 'node:assert/strict'
import { test } from 'node:test'
import { escapeHtml } from '../src/page.js'

test('text cannot become markup', () => {
  assert.equal(escapeHtml('<b a="1">&</b>'), '&lt;b a=&quot;1&quot;&gt;&amp;&lt;/b&gt;')
})

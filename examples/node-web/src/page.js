/** The facts as a page for people. */
export function page(facts) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>node-web</title>
<h1>${facts.visits} visits</h1>
<p><img src="/chart.png" alt="Visits per day"></p>
<pre>${escapeHtml(JSON.stringify(facts, null, 2))}</pre>
</html>
`
}

/** `text` with the characters that mean something in HTML written out. */
export function escapeHtml(text) {
  const names = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => names[character])
}

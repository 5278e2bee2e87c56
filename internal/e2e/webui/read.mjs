// Reads pages of the Temporal Web UI as a person sees them. One JSON request a
// line on stdin: {url, text: [...],
// click?, press?: {before, key}, screenshot?, height?, columns?: [...]}; it waits until
// every text is on the page and answers a line {"rows":[...]} with the text of each
// row of the table there, or {"error", "page"}. columns are those of the namespace's
// list of workflows, as a person has chosen them in the UI, which keeps them in the
// browser.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, timezoneId: 'UTC' });

// there waits until a text is on the page, or in one of its frames: the UI renders
// Markdown in a frame of its own.
async function there(page, text) {
  for (const end = Date.now() + 60_000; Date.now() < end; await page.waitForTimeout(100)) {
    for (const frame of page.frames()) {
      if (await frame.getByText(text).count().catch(() => 0)) return;
    }
  }
  throw new Error(`${JSON.stringify(text)} is not on the page`);
}

async function read(request) {
  const page = await context.newPage();
  try {
    if (request.columns) {
      const chosen = JSON.stringify({ default: request.columns.map((label) => ({ label, pinned: false })) });
      await page.addInitScript((value) => localStorage.setItem('namespace-workflow-table-columns', value), chosen);
    }
    if (request.height) await page.setViewportSize({ width: 1400, height: request.height });
    await page.goto(request.url, { timeout: 60_000 });
    for (const name of request.click ?? []) await page.getByText(name, { exact: true }).locator('visible=true').first().click({ timeout: 60_000 });
    if (request.press) {
      await page.getByText(request.press.before).first().waitFor({ timeout: 60_000 });
      await page.keyboard.press(request.press.key);
    }
    for (const text of request.text) await there(page, text);
    if (request.screenshot) await page.screenshot({ path: request.screenshot });
    const rows = await page.locator('table tbody tr').allInnerTexts();
    return { rows: rows.map((row) => row.replace(/\s+/g, ' ').trim()).filter((row) => row !== '') };
  } catch (error) {
    return { error: String(error), page: (await Promise.all(page.frames().map((frame) => frame.locator('body').innerText().catch(() => '')))).join('\n') };
  } finally {
    await page.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await read(JSON.parse(line))));
}
await browser.close();

import { describeHealth } from './health';

const root = document.getElementById('root');
const answer = await fetch('/api/v1/health');
if (root) root.textContent = describeHealth(answer.status);

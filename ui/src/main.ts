import { mount } from 'svelte'
import './theme.css'
import App from './App.svelte'
import { saved } from './saved'
import { open, startTheme } from './studio.svelte'
import { start } from './view.svelte'

startTheme()
await saved.load()
start()
// The server answers while the page is made.
void open()
mount(App, { target: document.getElementById('studio')! })

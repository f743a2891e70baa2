import { mount } from 'svelte'
import './theme.css'
import App from './App.svelte'
import { open, startTheme } from './studio.svelte'
import { start } from './view.svelte'

startTheme()
start()
// The server answers while the page is made.
void open()
mount(App, { target: document.getElementById('studio')! })

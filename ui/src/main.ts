import { mount } from 'svelte'
import './theme.css'
import App from './App.svelte'
import { saved } from './saved'
import { startTheme } from './studio.svelte'
import { start } from './view.svelte'

startTheme()
await saved.load()
start()
mount(App, { target: document.getElementById('studio')! })

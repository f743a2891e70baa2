import { mount } from 'svelte'
import './theme.css'
import App from './App.svelte'
import { startTheme } from './studio.svelte'
import { start } from './view.svelte'

startTheme()
start()
mount(App, { target: document.getElementById('studio')! })

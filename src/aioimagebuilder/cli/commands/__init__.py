"""What each command does. `interface` imports a module of these when its command is called."""

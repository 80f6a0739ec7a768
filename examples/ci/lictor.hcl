# What runs in production; the drift job asks what it would change.
template {
  source      = "templates/app.yaml.ctmpl"
  destination = "app.yaml"
  command     = "systemctl reload app"
}

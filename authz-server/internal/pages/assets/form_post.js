// Posts the answer to the app at once; without script the person presses the button.
document.getElementById("form_post").submit();

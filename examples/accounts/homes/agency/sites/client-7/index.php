<?php echo 'client 7 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
